{#-
  Codes of the areas that contain a point, from the outermost level to the deepest. The polygons of level n lie n times 1000 degrees
  further east in the index (int_areas__polygons), so that one dictionary answers for every level.
-#}
{% macro areas_around(longitude, latitude) -%}
    {%- set index = ref('int_areas__polygon_index') -%}
    arrayFilter(
        area_code -> area_code != '',
        arrayMap(
            layer -> dictGetOrDefault(
                '{{ index.schema }}.{{ index.identifier }}', 'area_code', ({{ longitude }} + 1000. * layer, {{ latitude }}), ''
            ),
            (select arraySort(groupUniqArray(layer)) from {{ ref('int_areas__polygons') }})
        )
    )
{%- endmacro %}

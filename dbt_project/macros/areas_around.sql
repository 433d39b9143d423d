{#-
  Codes of the areas that contain a point, from the outermost level to the deepest. The polygons of level n lie n strides further east
  in the index (int_areas__polygons), so that one dictionary answers for every level.
-#}
{% macro areas_around(longitude, latitude) -%}
    {%- set index = ref('int_areas__polygon_index') -%}
    arrayFilter(
        area_code -> area_code != '',
        arrayMap(
            layer -> if(
                -- Beyond the map's own width lies the next layer.
                {{ longitude }} - layer.2 between 0 and layer.4 / 2,
                dictGetOrDefault(
                    '{{ index.schema }}.{{ index.identifier }}',
                    'area_code',
                    ({{ longitude }} - layer.2 + layer.4 * layer.1, {{ latitude }} - layer.3),
                    ''
                ),
                ''
            ),
            (
                select arraySort(groupUniqArray(tuple(layer, origin_longitude, origin_latitude, stride)))
                from {{ ref('int_areas__polygons') }}
            )
        )
    )
{%- endmacro %}

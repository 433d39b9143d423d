{#-
  A polygon or multi polygon, given as WKT (also EWKT, also with heights) or as a GeoJSON geometry, as
  Array(polygon) of Array(ring) of Array((longitude, latitude)); empty when the text is neither. readWKTMultiPolygon refuses a
  POLYGON and throws on anything else, so the text is checked and made a MULTIPOLYGON first.
-#}
{% macro multi_polygon(geometry) -%}
    if(
        startsWith(trimLeft({{ geometry }}), '{'),
        arrayMap(
            polygon -> arrayMap(ring -> arrayMap(point -> (point[1], point[2]), ring), polygon),
            if(
                JSONExtractString({{ geometry }}, 'type') = 'Polygon',
                [JSONExtract({{ geometry }}, 'coordinates', 'Array(Array(Array(Float64)))')],
                JSONExtract({{ geometry }}, 'coordinates', 'Array(Array(Array(Array(Float64))))')
            )
        ),
        readWKTMultiPolygon({{ multi_polygon_text(geometry) }})
    )
{%- endmacro %}

{% macro multi_polygon_text(geometry) -%}
    {%- set number = '[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:E[+-]?[0-9]+)?' -%}
    {%- set position = number ~ '[ ]+' ~ number -%}
    {%- set ring = '[(] ?' ~ position ~ '(?: ?, ?' ~ position ~ ')* ?[)]' -%}
    {%- set polygon = '[(] ?' ~ ring ~ '(?: ?, ?' ~ ring ~ ')* ?[)]' -%}
    {%- set spaced = "replaceRegexpAll(upper(trim(" ~ geometry ~ ")), '\\\\s+', ' ')" -%}
    {%- set plain = "replaceRegexpOne(" ~ spaced ~ ", '^SRID=[0-9]+; ?', '')" -%}
    {%- set flat = "replaceRegexpAll(replaceRegexpOne(" ~ plain ~ ", '^((?:MULTI)?POLYGON) ?Z', '\\\\1'), '(" ~ number ~ ") (" ~ number ~ ") " ~ number ~ "', '\\\\1 \\\\2')" -%}
    multiIf(
        match({{ flat }}, '^POLYGON ?{{ polygon }}$'),
        concat('MULTIPOLYGON (', replaceRegexpOne({{ flat }}, '^POLYGON ?', ''), ')'),
        match({{ flat }}, '^MULTIPOLYGON ?[(] ?{{ polygon }}(?: ?, ?{{ polygon }})* ?[)]$'),
        {{ flat }},
        'MULTIPOLYGON EMPTY'
    )
{%- endmacro %}

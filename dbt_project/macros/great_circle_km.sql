{#-
  Great-circle distance in kilometres by the haversine formula, on the sphere of 6,371.007 km that H3 uses. ClickHouse's greatCircleDistance is
  faster and off by 0.15 % at 5,000 km, which would make "nearest" a matter of luck.
-#}
{% macro great_circle_km(longitude, latitude, other_longitude, other_latitude) -%}
    h3PointDistKm({{ latitude }}, {{ longitude }}, {{ other_latitude }}, {{ other_longitude }})
{%- endmacro %}

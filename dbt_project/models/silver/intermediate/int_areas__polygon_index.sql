{{ config(
    materialized='dictionary',
    fields=[('shifted_polygons', 'Array(Array(Array(Tuple(Float64, Float64))))'), ('area_code', 'String')],
    primary_key='shifted_polygons',
    layout='POLYGON_INDEX_EACH(STORE_POLYGON_KEY_COLUMN 0)',
    lifetime='0',
    tags=['reference'],
) }}

select
    shifted_polygons,
    area_code
from {{ ref('int_areas__polygons') }}
where notEmpty(shifted_polygons)

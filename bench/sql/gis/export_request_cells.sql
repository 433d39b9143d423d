with cells as (

    select
        * except (longitude, latitude),
        arrayMap(corner -> concat(toString(corner.2), ' ', toString(corner.1)), h3ToGeoBoundary(stringToH3(h3_cell))) as corners
    from gold.mart_requests_by_cell

)

select
    * except (corners),
    concat('POLYGON((', arrayStringConcat(arrayPushBack(corners, corners[1]), ', '), '))') as wkt
from cells

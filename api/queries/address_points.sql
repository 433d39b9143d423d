-- One row per address point, ordered by its identifier.
select
    address_id,
    longitude,
    latitude,
    area_code,
    proximity_score
from gold.mart_proximity_scores
where
    ({has_after:UInt8} = 0 or address_id > {after_address_id:String})
    and ({area_code:String} = '' or area_code = {area_code:String})
    and (
        {has_bbox:UInt8} = 0
        or (longitude between {west:Float64} and {east:Float64} and latitude between {south:Float64} and {north:Float64})
    )
order by address_id
limit {limit:UInt64} offset {offset:UInt64}

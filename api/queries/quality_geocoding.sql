-- One row per geocoder and precision.
select
    geocoder,
    precision,
    geocode_count,
    share,
    mean_similarity,
    provisional_share
from gold.mart_geocoding_health
where
    {has_after:UInt8} = 0
    or (geocoder, precision) > ({after_geocoder:String}, {after_precision:String})
order by geocoder, precision
limit {limit:UInt64} offset {offset:UInt64}

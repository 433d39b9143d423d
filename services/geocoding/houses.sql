-- The houses asked for on the streets found: one row per town, street and number, however often the register holds it.
with
asked as (
    select row.1 as city_key, row.2 as postcode_key, row.3 as street_key, row.4 as accented_key, row.5 as housenumber_key
    from (
        select arrayJoin(arrayZip(
            {city_keys:Array(String)}, {postcode_keys:Array(String)}, {street_keys:Array(String)}, {accented_keys:Array(String)},
            {housenumber_keys:Array(String)}
        )) as row
    )
)

select
    register.city_key as city_key,
    register.postcode_key as postcode_key,
    register.accented_key as accented_key,
    register.housenumber_key as housenumber_key,
    min(register.address_id) as address_id,
    argMin(register.housenumber, register.address_id) as housenumber,
    avg(register.longitude) as longitude,
    avg(register.latitude) as latitude,
    geoDistance(min(register.longitude), min(register.latitude), max(register.longitude), max(register.latitude)) as spread_m
from silver.int_addresses__normalized as register
-- In the order of the table's key, so that only the granules of these houses are read.
where
    (register.city_key, register.street_key, register.housenumber_key) in (select city_key, street_key, housenumber_key from asked)
    and (register.postcode_key, register.accented_key) in (select postcode_key, accented_key from asked)
group by city_key, postcode_key, accented_key, housenumber_key

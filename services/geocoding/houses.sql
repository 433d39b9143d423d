-- Streets of the towns found for each address that resemble the street asked for, each with the house asked for if it has one.
with
queries as (
    select
        row.1 as query_id,
        normalizeStreet(row.2) as street_key,
        normalizeStreetAccented(row.2) as accented_key,
        normalizeHousenumber(row.3) as housenumber_key,
        foldUmlauts(street_key) as folded_key,
        ocrSkeleton(street_key) as skeleton
    from (select arrayJoin(arrayZip({ids:Array(UInt32)}, {streets:Array(String)}, {housenumbers:Array(String)})) as row)
),

places as (
    select row.1 as query_id, row.2 as city_key, row.3 as postcode_key
    from (
        select arrayJoin(arrayZip({place_ids:Array(UInt32)}, {place_cities:Array(String)}, {place_postcodes:Array(String)})) as row
    )
),

register as (
    select *
    from silver.int_addresses__normalized
    where (city_key, postcode_key) in (select city_key, postcode_key from places)
),

streets as (
    select
        register.city_key as city_key,
        register.postcode_key as postcode_key,
        register.street_key as street_key,
        normalizeStreetAccented(if(register.street = '', register.city, register.street)) as accented_key,
        foldUmlauts(street_key) as folded_key,
        ocrSkeleton(street_key) as skeleton,
        any(register.street) as street,
        any(register.city) as city,
        any(register.postcode) as postcode,
        avg(register.longitude) as longitude,
        avg(register.latitude) as latitude,
        geoDistance(min(register.longitude), min(register.latitude), max(register.longitude), max(register.latitude)) / 2 as radius_m
    from register
    group by city_key, postcode_key, street_key, accented_key, folded_key, skeleton
),

matches as (
    select
        queries.query_id as query_id,
        queries.housenumber_key as housenumber_key,
        streets.city_key as city_key,
        streets.postcode_key as postcode_key,
        streets.street_key as street_key,
        streets.accented_key as accented_key,
        streets.street as street,
        streets.city as city,
        streets.postcode as postcode,
        streets.longitude as longitude,
        streets.latitude as latitude,
        streets.radius_m as radius_m,
        least(
            damerauLevenshteinDistance(queries.street_key, streets.street_key),
            damerauLevenshteinDistance(queries.folded_key, streets.folded_key)
        ) as street_edits,
        if(street_edits = 0, 0, least(street_edits, damerauLevenshteinDistance(queries.skeleton, streets.skeleton))) as unexplained_edits,
        -- Half an edit for what readers usually confuse, a quarter for accents alone.
        (street_edits + unexplained_edits) / 2 + if(queries.accented_key = streets.accented_key or street_edits > 0, 0, 0.25) as weight,
        greatest(0.0, 1 - weight / greatest(length(queries.street_key), length(streets.street_key), 1)) as street_similarity
    from queries
    inner join places on queries.query_id = places.query_id
    inner join streets on places.city_key = streets.city_key and places.postcode_key = streets.postcode_key
    where queries.street_key != '' and street_similarity >= 0.5
    order by query_id asc, street_similarity desc, street_key asc, city_key asc, postcode_key asc
    limit 20 by query_id
),

houses as (
    select
        register.city_key as city_key,
        register.postcode_key as postcode_key,
        register.street_key as street_key,
        normalizeStreetAccented(if(register.street = '', register.city, register.street)) as accented_key,
        register.housenumber_key as housenumber_key,
        min(register.address_id) as address_id,
        argMin(register.housenumber, register.address_id) as housenumber,
        avg(register.longitude) as longitude,
        avg(register.latitude) as latitude,
        geoDistance(min(register.longitude), min(register.latitude), max(register.longitude), max(register.latitude)) as spread_m
    from register
    where
        register.housenumber_key != ''
        and (register.city_key, register.street_key, register.housenumber_key) in (
            select city_key, street_key, housenumber_key from matches
        )
    group by city_key, postcode_key, street_key, accented_key, housenumber_key
)

select
    matches.query_id as query_id,
    matches.city_key as city_key,
    matches.postcode_key as postcode_key,
    matches.street_key as street_key,
    matches.accented_key as accented_key,
    matches.street as street,
    matches.city as city,
    matches.postcode as postcode,
    matches.street_edits as street_edits,
    matches.street_similarity as street_similarity,
    matches.longitude as street_longitude,
    matches.latitude as street_latitude,
    matches.radius_m as street_radius_m,
    houses.address_id as address_id,
    houses.housenumber as housenumber,
    houses.longitude as house_longitude,
    houses.latitude as house_latitude,
    houses.spread_m as house_spread_m
from matches
left join houses
    on matches.city_key = houses.city_key
    and matches.postcode_key = houses.postcode_key
    and matches.street_key = houses.street_key
    and matches.accented_key = houses.accented_key
    and matches.housenumber_key = houses.housenumber_key
order by query_id asc, street_similarity desc, street_key asc, city_key asc, postcode_key asc

-- Streets of the towns found for each address that resemble the street asked for, best first.
with
queries as (
    select row.1 as query_id, row.2 as street_key, row.3 as accented_key, row.4 as folded_key, row.5 as skeleton
    from (
        select arrayJoin(arrayZip(
            range(length({street_keys:Array(String)})), {street_keys:Array(String)}, {accented_keys:Array(String)},
            {folded_keys:Array(String)}, {skeletons:Array(String)}
        )) as row
    )
    where street_key != ''
),

places as (
    select row.1 as query_id, row.2 as city_key, row.3 as postcode_key
    from (
        select arrayJoin(arrayZip({place_ids:Array(UInt32)}, {place_cities:Array(String)}, {place_postcodes:Array(String)})) as row
    )
),

streets as (
    select *
    from silver.int_addresses__streets
    where (city_key, postcode_key) in (select city_key, postcode_key from places)
)

select
    queries.query_id as query_id,
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
    streetEdits(queries.street_key, queries.folded_key, streets.street_key, streets.folded_key) as street_edits,
    streetSimilarity(
        street_edits, queries.street_key, queries.accented_key, queries.skeleton,
        streets.street_key, streets.accented_key, streets.skeleton
    ) as street_similarity
from queries
inner join places on queries.query_id = places.query_id
inner join streets on places.city_key = streets.city_key and places.postcode_key = streets.postcode_key
where street_similarity >= 0.5
order by query_id asc, street_similarity desc, street_key asc, accented_key asc, city_key asc, postcode_key asc
limit 20 by query_id

-- Towns of the register (a town is a pair of postcode and name) that each address may mean, best first.
with
queries as (
    select row.1 as query_id, row.2 as postcode_key, row.3 as city_key, row.4 as city_skeleton, row.5 as street_key
    from (
        select arrayJoin(arrayZip(
            range(length({city_keys:Array(String)})), {postcode_keys:Array(String)}, {city_keys:Array(String)},
            {city_skeletons:Array(String)}, {street_keys:Array(String)}
        )) as row
    )
),

-- What equals needs no comparing of all with all.
equal_pairs as (
    select queries.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from queries
    inner join silver.int_addresses__places as places on queries.postcode_key = places.postcode_key
    where queries.postcode_key != ''
    union distinct
    select queries.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from queries
    inner join silver.int_addresses__places as places on queries.city_key = places.city_key
    where queries.city_key != ''
),

-- Misread towns: only for addresses for which no town has both postcode and name.
doubtful as (
    select query_id, postcode_key, city_key, city_skeleton
    from queries
    where
        (postcode_key != '' or city_key != '')
        and (postcode_key, city_key) not in (select postcode_key, city_key from silver.int_addresses__places)
),

similar_pairs as (
    select doubtful.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from doubtful
    cross join silver.int_addresses__places as places
    where
        (
            length(doubtful.postcode_key) > 0
            and length(doubtful.postcode_key) = length(places.postcode_key)
            and damerauLevenshteinDistance(doubtful.postcode_key, places.postcode_key) = 1
        )
        or (
            length(doubtful.city_key) >= 4 and length(places.city_key) >= 4
            and (startsWith(places.city_key, doubtful.city_key) or startsWith(doubtful.city_key, places.city_key))
        )
        or (
            length(doubtful.city_key) >= 3
            and abs(toInt32(length(doubtful.city_key)) - toInt32(length(places.city_key))) <= 4
            and (
                damerauLevenshteinDistance(doubtful.city_key, places.city_key) * 5
                <= greatest(length(doubtful.city_key), length(places.city_key)) * 2
                or damerauLevenshteinDistance(doubtful.city_skeleton, places.city_skeleton) * 3 <= length(places.city_key)
            )
        )
),

-- No town at all: every town that has exactly this street.
homeless_pairs as (
    select queries.query_id as query_id, streets.city_key as city_key, streets.postcode_key as postcode_key
    from queries
    inner join silver.int_addresses__streets as streets on queries.street_key = streets.street_key
    where
        queries.postcode_key = '' and queries.city_key = '' and queries.street_key != ''
        and streets.street_key in (select street_key from queries where postcode_key = '' and city_key = '')
),

pairs as (
    select * from equal_pairs
    union distinct
    select * from similar_pairs
    union distinct
    select * from homeless_pairs
),

scored as (
    select
        pairs.query_id as query_id,
        places.city_key as city_key,
        places.postcode_key as postcode_key,
        places.city as city,
        places.postcode as postcode,
        places.address_count as address_count,
        places.longitude as longitude,
        places.latitude as latitude,
        places.radius_m as radius_m,
        queries.postcode_key != '' and places.postcode_key != '' as has_postcodes,
        queries.city_key != '' and places.city_key != '' as has_cities,
        places.postcode_key = queries.postcode_key and queries.postcode_key != '' as is_postcode_equal,
        postcodeSimilarity(queries.postcode_key, places.postcode_key) as postcode_similarity,
        citySimilarity(
            queries.city_key, queries.city_skeleton, places.city_key, places.city_skeleton, is_postcode_equal
        ) as name_similarity,
        if(has_cities, name_similarity, 0.0) as city_similarity,
        placeSimilarity(has_postcodes, has_cities, postcode_similarity, name_similarity) as place_similarity
    from pairs
    inner join queries on pairs.query_id = queries.query_id
    inner join silver.int_addresses__places as places
        on pairs.city_key = places.city_key and pairs.postcode_key = places.postcode_key
)

select
    query_id,
    city_key,
    postcode_key,
    city,
    postcode,
    address_count,
    longitude,
    latitude,
    radius_m,
    is_postcode_equal,
    city_similarity,
    place_similarity
from scored
where place_similarity >= 0.3
order by query_id asc, place_similarity desc, address_count desc, city_key asc, postcode_key asc
limit 16 by query_id

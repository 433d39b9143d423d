-- Towns of the register (a town is a pair of postcode and name) that each address may mean, best first.
with
queries as (
    select
        row.1 as query_id,
        normalizePostcode(row.2) as postcode_key,
        normalizeCity(row.3) as city_key,
        normalizeStreet(row.4) as street_key
    from (select arrayJoin(arrayZip({ids:Array(UInt32)}, {postcodes:Array(String)}, {cities:Array(String)}, {streets:Array(String)})) as row)
),

places as (
    select
        known.city_key as city_key,
        known.postcode_key as postcode_key,
        any(known.city) as city,
        any(known.postcode) as postcode,
        count() as address_count,
        avg(known.longitude) as longitude,
        avg(known.latitude) as latitude,
        geoDistance(min(known.longitude), min(known.latitude), max(known.longitude), max(known.latitude)) / 2 as radius_m
    from silver.int_addresses__normalized as known
    group by known.city_key, known.postcode_key
),

-- What equals needs no comparing of all with all.
equal_pairs as (
    select queries.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from queries
    inner join places on queries.postcode_key = places.postcode_key
    where queries.postcode_key != ''
    union distinct
    select queries.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from queries
    inner join places on queries.city_key = places.city_key
    where queries.city_key != ''
),

-- Misread towns: only for addresses for which no town has both postcode and name, and each pair of names compared once.
certain as (
    select distinct queries.query_id as query_id
    from queries
    inner join places on queries.postcode_key = places.postcode_key and queries.city_key = places.city_key
),

doubtful as (
    select query_id, postcode_key, city_key
    from queries
    where query_id not in (select query_id from certain) and (postcode_key != '' or city_key != '')
),

similar_cities as (
    select
        asked.city_key as asked_key,
        known.city_key as known_key
    from (select distinct city_key from doubtful where length(city_key) >= 3) as asked
    cross join (select distinct city_key from places where city_key != '') as known
    where
        abs(toInt32(length(asked.city_key)) - toInt32(length(known.city_key))) <= 4
        and (
            damerauLevenshteinDistance(asked.city_key, known.city_key) * 5 <= greatest(length(asked.city_key), length(known.city_key)) * 2
            or damerauLevenshteinDistance(ocrSkeleton(asked.city_key), ocrSkeleton(known.city_key)) * 3 <= length(known.city_key)
        )
),

similar_postcodes as (
    select
        asked.postcode_key as asked_key,
        known.postcode_key as known_key
    from (select distinct postcode_key from doubtful where postcode_key != '') as asked
    cross join (select distinct postcode_key from places where postcode_key != '') as known
    where length(asked.postcode_key) = length(known.postcode_key) and damerauLevenshteinDistance(asked.postcode_key, known.postcode_key) = 1
),

longer_cities as (
    select doubtful.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from doubtful
    cross join places
    where
        length(doubtful.city_key) >= 4 and length(places.city_key) >= 4
        and (startsWith(places.city_key, doubtful.city_key) or startsWith(doubtful.city_key, places.city_key))
),

similar_pairs as (
    select doubtful.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from doubtful
    inner join similar_cities on doubtful.city_key = similar_cities.asked_key
    inner join places on similar_cities.known_key = places.city_key
    union distinct
    select doubtful.query_id as query_id, places.city_key as city_key, places.postcode_key as postcode_key
    from doubtful
    inner join similar_postcodes on doubtful.postcode_key = similar_postcodes.asked_key
    inner join places on similar_postcodes.known_key = places.postcode_key
    union distinct
    select query_id, city_key, postcode_key from longer_cities
    union distinct
    -- No town at all: every town that has exactly this street.
    select queries.query_id as query_id, streets.city_key as city_key, streets.postcode_key as postcode_key
    from (select query_id, street_key from queries where postcode_key = '' and city_key = '' and street_key != '') as queries
    inner join (
        select distinct city_key, postcode_key, street_key
        from silver.int_addresses__normalized
        where street_key in (select street_key from queries where postcode_key = '' and city_key = '')
    ) as streets on queries.street_key = streets.street_key
),

pairs as (
    select * from equal_pairs
    union distinct
    select * from similar_pairs
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
        if(
            is_postcode_equal, 1.0,
            if(
                length(places.postcode_key) = length(queries.postcode_key)
                and damerauLevenshteinDistance(places.postcode_key, queries.postcode_key) = 1, 0.5, 0.0
            )
        ) as postcode_similarity,
        multiIf(
            places.city_key = queries.city_key, 1.0,
            least(length(places.city_key), length(queries.city_key)) >= 4
            and (startsWith(places.city_key, queries.city_key) or startsWith(queries.city_key, places.city_key))
            and is_postcode_equal, 0.9,
            greatest(0.0, 1 - (
                damerauLevenshteinDistance(places.city_key, queries.city_key)
                + damerauLevenshteinDistance(ocrSkeleton(places.city_key), ocrSkeleton(queries.city_key))
            ) / 2 / greatest(length(places.city_key), length(queries.city_key), 1))
        ) as name_similarity,
        if(has_cities, name_similarity, 0.0) as city_similarity,
        multiIf(
            has_postcodes and has_cities, (postcode_similarity + name_similarity) / 2,
            has_cities, name_similarity * 0.95,
            has_postcodes, postcode_similarity * 0.95,
            0.3
        ) as place_similarity
    from pairs
    inner join queries on pairs.query_id = queries.query_id
    inner join places on pairs.city_key = places.city_key and pairs.postcode_key = places.postcode_key
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

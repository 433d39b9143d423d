-- How well each place found fits the address asked for, in the order of the arrays.
with
found as (
    select
        row.1 as row_number,
        normalizeStreet(row.2) as asked_street,
        normalizeStreetAccented(row.2) as asked_accented,
        normalizeHousenumber(row.3) as asked_housenumber,
        normalizePostcode(row.4) as asked_postcode,
        normalizeCity(row.5) as asked_city,
        normalizeStreet(row.6) as street_key,
        normalizeStreetAccented(row.6) as accented_key,
        normalizeHousenumber(row.7) as housenumber_key,
        normalizePostcode(row.8) as postcode_key,
        normalizeCity(row.9) as city_key
    from (
        select arrayJoin(arrayZip(
            range(length({streets:Array(String)})), {asked_streets:Array(String)}, {asked_housenumbers:Array(String)},
            {asked_postcodes:Array(String)}, {asked_cities:Array(String)}, {streets:Array(String)}, {housenumbers:Array(String)},
            {postcodes:Array(String)}, {cities:Array(String)}
        )) as row
    )
)

select
    street_key,
    accented_key,
    postcode_key,
    city_key,
    streetEdits(asked_street, foldUmlauts(asked_street), street_key, foldUmlauts(street_key)) as street_edits,
    if(
        asked_street = '' or street_key = '', 0.0,
        streetSimilarity(
            street_edits, asked_street, asked_accented, ocrSkeleton(asked_street), street_key, accented_key, ocrSkeleton(street_key)
        )
    ) as street_similarity,
    asked_housenumber != '' and asked_housenumber = housenumber_key as is_housenumber_equal,
    asked_postcode != '' and asked_postcode = postcode_key as is_postcode_equal,
    citySimilarity(asked_city, ocrSkeleton(asked_city), city_key, ocrSkeleton(city_key), is_postcode_equal) as name_similarity,
    asked_city != '' and city_key != '' as has_cities,
    if(has_cities, name_similarity, 0.0) as city_similarity,
    placeSimilarity(
        asked_postcode != '' and postcode_key != '', has_cities, postcodeSimilarity(asked_postcode, postcode_key), name_similarity
    ) as place_similarity
from found
order by row_number

-- Keys of the addresses asked for, made by the same functions as the register's.
select
    row.1 as query_id,
    normalizeStreet(row.2) as street_key,
    normalizeStreetAccented(row.2) as accented_key,
    foldUmlauts(street_key) as folded_key,
    ocrSkeleton(street_key) as skeleton,
    normalizeHousenumber(row.3) as housenumber_key,
    normalizePostcode(row.4) as postcode_key,
    normalizeCity(row.5) as city_key,
    ocrSkeleton(city_key) as city_skeleton
from (
    select arrayJoin(arrayZip(
        range(length({streets:Array(String)})), {streets:Array(String)}, {housenumbers:Array(String)}, {postcodes:Array(String)},
        {cities:Array(String)}
    )) as row
)
order by query_id

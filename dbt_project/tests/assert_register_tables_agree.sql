-- Streets and towns are made of the register: neither twice, and no address without its street and its town.
with counted as (

    select
        (select count() from {{ ref('int_addresses__places') }}) as place_count,
        (select uniqExact(city_key, postcode_key) from {{ ref('int_addresses__normalized') }}) as known_place_count,
        (select sum(address_count) from {{ ref('int_addresses__places') }}) as address_count,
        (select count() from {{ ref('int_addresses__normalized') }}) as known_address_count,
        (select uniqExact(city_key, postcode_key, street_key) from {{ ref('int_addresses__streets') }}) as street_count,
        (select uniqExact(city_key, postcode_key, street_key) from {{ ref('int_addresses__normalized') }}) as known_street_count

)

select * from counted
where place_count != known_place_count or address_count != known_address_count or street_count != known_street_count

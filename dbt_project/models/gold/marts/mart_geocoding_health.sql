{{ config(order_by='(geocoder, precision)') }}

with geocodes as (

    select * from {{ ref('fct_geocodes') }}

),

counted as (

    select
        geocoder,
        precision,
        count() as geocode_count,
        sum(street_similarity) as similarity_sum,
        countIf(is_provisional) as provisional_count
    from geocodes
    group by geocoder, precision

),

final as (

    select
        geocoder,
        precision,
        cast(geocode_count as UInt64) as geocode_count,
        cast(geocode_count / sum(geocode_count) over (partition by geocoder) as Float64) as share,
        cast(round(similarity_sum / geocode_count, 9) as Float64) as mean_similarity,
        cast(provisional_count / geocode_count as Float64) as provisional_share
    from counted

)

select * from final

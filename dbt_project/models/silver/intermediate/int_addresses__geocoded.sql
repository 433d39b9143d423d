with geocodes as (

    select * from {{ ref('stg_cartulary__geocodes') }}

),

final as (

    select *
    from geocodes
    order by geocoded_at desc, geocode_id desc
    limit 1 by subject_id, correction_id

)

select * from final

with extractions as (

    select * from {{ ref('stg_cartulary__extractions') }}

),

final as (

    select *
    from extractions
    order by finished_at desc, extraction_id desc
    limit 1 by letter_id

)

select * from final

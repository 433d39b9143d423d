with corrections as (

    select * from {{ ref('stg_cartulary__corrections') }}

),

final as (

    select *
    from corrections
    order by corrected_at desc, correction_id desc
    limit 1 by subject_id

)

select * from final

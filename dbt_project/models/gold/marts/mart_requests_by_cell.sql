{{ config(order_by='(resolution, h3_cell)') }}

with cells_9 as (

    select
        h3_cell as cell,
        count() as request_count
    from {{ ref('fct_requests') }}
    group by h3_cell

),
{% for resolution in range(8, 2, -1) %}
-- What is still at resolution {{ resolution + 1 }} and below 5 goes up to resolution {{ resolution }}; all else stays where it is.
cells_{{ resolution }} as (

    select
        if(
            finer.request_count < 5 and h3GetResolution(finer.cell) = {{ resolution + 1 }},
            h3ToParent(finer.cell, {{ resolution }}),
            finer.cell
        ) as cell,
        sum(finer.request_count) as request_count
    from cells_{{ resolution + 1 }} as finer
    group by cell

),
{% endfor %}
final as (

    select
        h3ToGeo(cell) as centre,
        cast(h3ToString(cell) as String) as h3_cell,
        cast(h3GetResolution(cell) as UInt8) as resolution,
        cast(centre.2 as Float64) as longitude,
        cast(centre.1 as Float64) as latitude,
        cast(request_count as UInt64) as request_count
    from cells_3
    where cells_3.request_count >= 5

)

select * except (centre) from final

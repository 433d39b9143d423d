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
            request_count < 5 and h3GetResolution(cell) = {{ resolution + 1 }}, h3ToParent(cell, {{ resolution }}), cell
        ) as merged_cell,
        sum(request_count) as merged_count
    from {% if loop.first %}cells_9{% else %}(select merged_cell as cell, merged_count as request_count from cells_{{ resolution + 1 }}){% endif %}
    group by merged_cell

),
{% endfor %}
final as (

    select
        cast(h3ToString(merged_cell) as String) as h3_cell,
        cast(h3GetResolution(merged_cell) as UInt8) as resolution,
        cast(h3ToGeo(merged_cell).2 as Float64) as longitude,
        cast(h3ToGeo(merged_cell).1 as Float64) as latitude,
        cast(merged_count as UInt64) as request_count
    from cells_3
    where merged_count >= 5

)

select * from final

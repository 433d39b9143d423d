-- Mark the rows that cannot be shown, and why.
with judged as (

    select
        row_hash,
        case
            when geometry is null then 'unreadable'
            when st_isempty(geometry) then 'empty'
            when geometrytype(geometry) <> {shape} then 'a ' || lower(geometrytype(geometry))
            when st_xmin(geometry) < -180 or st_xmax(geometry) > 180 or st_ymin(geometry) < -90 or st_ymax(geometry) > 90
                then 'outside of WGS84'
        end as reason
    from {incoming}

)

update {incoming} as incoming
set
    problem = concat_ws('; ', incoming.problem, 'left out: ' || judged.reason),
    is_left_out = true
from judged
where judged.reason is not null and incoming.row_hash = judged.row_hash

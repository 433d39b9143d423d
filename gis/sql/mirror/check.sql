-- What is wrong with the rows that came: what could be repaired with the geometry that stands for it, and what has to be left out.
insert into {problems} (key, row_hash, geometry, problem, is_left_out)
with checked as (

    select
        concat_ws('/', {key}) as key,
        row_hash,
        geometry as received,
        case when {is_valid} then geometry else {repaired} end as geometry,
        case when not {is_valid} then 'repaired: ' || st_isvalidreason(geometry) end as repair
    from {incoming}

),

judged as (

    select
        *,
        case
            when geometry is null then 'unreadable'
            when st_isempty(geometry) then 'empty'
            when geometrytype(geometry) <> {shape} then 'a ' || lower(geometrytype(geometry))
            -- NaN is above all numbers.
            when st_xmin(geometry) < -180 or st_xmax(geometry) > 180 or st_ymin(geometry) < -90 or st_ymax(geometry) > 90
                then 'outside of WGS84'
        end as reason
    from checked

)

select
    key,
    row_hash,
    geometry,
    concat_ws('; ', repair, 'left out: ' || reason) as problem,
    reason is not null as is_left_out
from judged
where repair is not null or reason is not null

-- One row per month, area, facility kind and channel, the oldest month first; none for fewer requests than may be shown, since the row
-- itself would say that there were some.
with
    source as (
        select
            month_date,
            ifNull(area_code, '') as area_code,
            ifNull(facility_kind, '') as facility_kind,
            channel,
            request_count
        from gold.mart_request_trends
        where request_count >= {least_count:UInt64}
    )

select
    month_date,
    area_code,
    facility_kind,
    channel,
    request_count
from source
where
    (
        {has_after:UInt8} = 0
        or (month_date, area_code, facility_kind, channel) > (
            toDate32OrZero({after_month_date:String}), {after_area_code:String}, {after_facility_kind:String}, {after_channel:String}
        )
    )
    and ({area_code:String} = '' or area_code = {area_code:String})
    and ({facility_kind:String} = '' or facility_kind = {facility_kind:String})
    and ({channel:String} = '' or channel = {channel:String})
order by month_date, area_code, facility_kind, channel
limit {limit:UInt64} offset {offset:UInt64}

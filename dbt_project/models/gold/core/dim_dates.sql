{{ config(order_by='date_day', tags=['reference']) }}

with days as (

    -- Letters are dated by hand, so that the calendar is wider than the life of a platform.
    select toDate32('1950-01-01') + toIntervalDay(number) as date_day
    from numbers(dateDiff('day', toDate32('1950-01-01'), toDate32('2100-01-01')))

),

final as (

    select
        cast(date_day as Date32) as date_day,
        makeDate32(toYear(date_day), toMonth(date_day), 1) as month_date,
        cast(toYear(date_day) as UInt16) as year_number,
        cast(toQuarter(date_day) as UInt8) as quarter_number,
        cast(toMonth(date_day) as UInt8) as month_number,
        cast(toISOWeek(date_day) as UInt8) as iso_week_number,
        cast(toDayOfWeek(date_day) as UInt8) as weekday_number
    from days

)

select * from final

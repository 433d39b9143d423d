-- So many requests by web form, from addresses of the register.
insert into bronze.submissions
(
    submission_id, channel, requester_name, contact, street, housenumber, postcode, city, facility_kind, message, object_key, received_at
)
with
(select groupArray(tuple(street, housenumber, postcode, city)) from silver.int_addresses__normalized) as register
select
    concat('bulk-', toString(number)),
    'web',
    '',
    '',
    register[address].1,
    register[address].2,
    register[address].3,
    register[address].4,
    ['pharmacy', 'school', 'doctor', 'post_office'][number % 4 + 1],
    '',
    '',
    toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalSecond(number)
from (select number, cityHash64(number) % length(register) + 1 as address from numbers({count:UInt64}))

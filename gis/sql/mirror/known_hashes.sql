-- Each row's hash (8 bytes) and where it lies (6 bytes), so that those that go are found without a look at all others.
select string_agg(int8send(row_hash) || tidsend(place), '')
from (
    select row_hash, ctid as place from {table}
    union all
    select row_hash, '(0,0)'::tid as place from map_mirror.problems where is_left_out and layer = %(layer)s
) as hashes

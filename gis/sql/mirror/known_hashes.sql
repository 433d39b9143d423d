select string_agg(int8send(row_hash), '')
from (
    select row_hash from {table}
    union all
    select row_hash from map_mirror.problems where is_left_out and layer = %(layer)s
) as hashes

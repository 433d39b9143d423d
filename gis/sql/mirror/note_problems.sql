insert into map_mirror.problems (layer, key, problem, is_left_out, row_hash)
select
    %(layer)s as layer,
    key,
    problem,
    is_left_out,
    row_hash
from {problems}
on conflict (layer, key) do update set
    problem = excluded.problem, is_left_out = excluded.is_left_out, row_hash = excluded.row_hash, found_at = excluded.found_at
returning key, problem, is_left_out

delete from {incoming} as incoming
using {problems} as problems
where problems.is_left_out and incoming.row_hash = problems.row_hash

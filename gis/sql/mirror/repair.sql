update {incoming} as incoming
set geometry = problems.geometry
from {problems} as problems
where not problems.is_left_out and incoming.row_hash = problems.row_hash

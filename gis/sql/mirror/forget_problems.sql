delete from map_mirror.problems
using {gone} as gone
where problems.layer = %(layer)s and problems.row_hash = gone.row_hash

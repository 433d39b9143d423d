drop table if exists {incoming}, {gone}, {problems};

create temporary table {incoming} ({definitions});

create temporary table {gone} (row_hash bigint, place tid);

create temporary table {problems} (key text, row_hash bigint, geometry geometry, problem text, is_left_out boolean);

-- Gold holds no name, no letter text, no raw answer: no column may be called like one. tests/dbt/test_conventions.py says the same of columns
-- that a contract calls personal.
select
    table,
    name
from system.columns
where
    database = 'gold_next'
    and name in ('sender_name', 'requester_name', 'contact', 'message', 'text', 'raw', 'note', 'reviewer', 'candidates')
    and table != 'builds'

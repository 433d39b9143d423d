-- Into a table that nobody sees yet; in the order of its key, in which an index grows fastest.
insert into {table} ({columns})
select {columns}
from {incoming}
order by {key}

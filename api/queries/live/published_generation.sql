select max(generation) as generation
from gold.builds
where state = 'published'

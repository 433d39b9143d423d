select countIf(is_latest and letter_state = 'review') as letter_count
from gold.fct_extractions

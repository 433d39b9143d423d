-- One row per reader, model and language.
select
    extractor,
    model,
    language,
    letter_count,
    read_count,
    unreadable_count,
    failed_count,
    mean_street_score,
    located_share,
    review_share
from gold.mart_extraction_quality
where
    {has_after:UInt8} = 0
    or (extractor, model, language) > ({after_extractor:String}, {after_model:String}, {after_language:String})
order by extractor, model, language
limit {limit:UInt64} offset {offset:UInt64}

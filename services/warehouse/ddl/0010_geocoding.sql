alter table bronze.geocodes {on_cluster}
    add column if not exists is_provisional UInt8 default 0
    comment '1 when Nominatim was away and the register answered in its place: asked again when it is back'
    after raw;

-- How alike what was asked and what was found are: for the register and for Nominatim alike. All arguments are keys made by the
-- functions of 0007_normalize.sql.
create or replace function streetEdits {on_cluster} as (asked, asked_folded, known, known_folded) ->
    least(damerauLevenshteinDistance(asked, known), damerauLevenshteinDistance(asked_folded, known_folded));

-- 0 to 1 over the longer name: half an edit for what readers usually confuse, a quarter for accents alone.
create or replace function streetSimilarity {on_cluster} as (edits, asked, asked_accented, asked_skeleton, known, known_accented, known_skeleton) ->
    greatest(0.0, 1 - (
        (edits + if(edits = 0, 0, least(edits, damerauLevenshteinDistance(asked_skeleton, known_skeleton)))) / 2
        + if(asked_accented = known_accented or edits > 0, 0, 0.25)
    ) / greatest(length(asked), length(known), 1));

-- 1 when equal, 0.5 with one wrong digit.
create or replace function postcodeSimilarity {on_cluster} as (asked, known) ->
    multiIf(
        asked = known and asked != '', 1.0,
        length(asked) = length(known) and damerauLevenshteinDistance(asked, known) = 1, 0.5,
        0.0
    );

-- 0 to 1; a town that bears more or fewer words is nearly equal where the postcode is equal.
create or replace function citySimilarity {on_cluster} as (asked, asked_skeleton, known, known_skeleton, has_equal_postcode) ->
    multiIf(
        known = asked, 1.0,
        least(length(known), length(asked)) >= 4 and (startsWith(known, asked) or startsWith(asked, known)) and has_equal_postcode, 0.9,
        greatest(0.0, 1 - (
            damerauLevenshteinDistance(known, asked) + damerauLevenshteinDistance(known_skeleton, asked_skeleton)
        ) / 2 / greatest(length(known), length(asked), 1))
    );

-- 0 to 1 over both, as far as both sides have them.
create or replace function placeSimilarity {on_cluster} as (has_postcodes, has_cities, postcode_similarity, city_similarity) ->
    multiIf(
        has_postcodes and has_cities, (postcode_similarity + city_similarity) / 2,
        has_cities, city_similarity * 0.95,
        has_postcodes, postcode_similarity * 0.95,
        0.3
    );

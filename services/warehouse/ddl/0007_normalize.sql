-- Addresses are compared by keys made here and nowhere else: the register when it is built, a letter's address when it is looked
-- up, both when evidence is weighed. Each function takes a text and gives a text; empty stays empty.

-- Lower case, composed letters; whatever is neither letter nor digit becomes one space; ß is ss.
create or replace function normalizeAccented {on_cluster} as (value) ->
    trim(both ' ' from replaceRegexpAll(
        replaceRegexpAll(
            normalizeUTF8NFKC(
                replaceAll(replaceAll(replaceAll(replaceAll(lowerUTF8(value), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'ø', 'ö')
            ),
            '[''’`´]', ''
        ),
        '[^\\p{L}\\p{N}]+', ' '
    ));

-- The same without accents.
create or replace function normalizeText {on_cluster} as (value) ->
    replaceRegexpAll(normalizeUTF8NFKD(normalizeAccented(value)), '\\p{M}', '');

-- Abbreviations of street words, as whole words: behind the name, before it, saints in front.
create or replace function expandStreetWords {on_cluster} as (words) ->
    replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(
    replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(
        concat(' ', words, ' '),
        ' (sankt|saint|sainte|sint|santa|santo|san|ste) ', ' st '),
        '(\\S) st $', '\\1 street '),
        ' (ave|avenue) ', ' av '),
        ' (bd|bld|blvd|bvd|boul) ', ' boulevard '),
        ' rte ', ' route '),
        ' (ch|chem) ', ' chemin '),
        ' rd ', ' road '),
        ' ln ', ' lane '),
        ' (avda|avd) ', ' avenida '),
        '^ c ', ' calle '),
        '(\\S) (pl|plz) $', '\\1 platz '),
        '^ pl ', ' place '),
        '^ doktor ', ' dr ');

-- One spelling for street, with its usual misreadings, and none for spaces, of a text that is normalized already.
create or replace function joinStreet {on_cluster} as (words) ->
    replaceRegexpOne(
        replaceRegexpAll(replaceAll(expandStreetWords(words), ' ', ''), '(stra+s+e?|strabe|s[thlrbpi]{1,3}a+s+c?e|straat)$', 'str'),
        'gass$', 'gasse'
    );

-- 'Fürst-Franz-Josef-Straße', 'Furst Franz Josef Str.' give 'furstfranzjosefstr'.
create or replace function normalizeStreet {on_cluster} as (value) -> joinStreet(normalizeText(value));

-- The same with its accents, which tell Bodastrasse from Bödastrasse.
create or replace function normalizeStreetAccented {on_cluster} as (value) -> joinStreet(normalizeAccented(value));

-- 'taescherloch' and 'tascherloch' are two ways to write ä without its dots.
create or replace function foldUmlauts {on_cluster} as (street_key) ->
    replaceAll(replaceAll(replaceAll(street_key, 'ae', 'a'), 'oe', 'o'), 'ue', 'u');

-- What is left of a street key without its street word: by its length edits are weighed.
create or replace function streetStem {on_cluster} as (street_key) ->
    replaceRegexpOne(
        replaceRegexpOne(
            street_key,
            '(str|gasse|weg|platz|allee|ring|laan|plein|kade|steenweg|street|road|lane|avenue|drive|close|court|square|terrace|way|vej|gade|gatan)$', ''
        ),
        '^(ruedela|ruedes|ruedel|ruedu|ruede|rue|avenuedela|av|boulevard|chemindela|chemindes|chemindu|cheminde|placedela|placedu|place|via|viale|piazza|corso|calledela|callede|calle|avenida|plaza|rua)', ''
    );

-- Letters that readers take for one another become one, so that skeletons differ only where no usual misreading explains it.
create or replace function ocrSkeleton {on_cluster} as (street_key) ->
    replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(
        translate(
            replaceRegexpAll(street_key, 'cl|el', 'd'),
            '01jtf7iacvwnrkb8qyp952',
            'olllllloeuuuuhhhggggsz'
        ),
    'l+', 'l'), 's+', 's'), 'u+', 'u');

create or replace function normalizeHousenumber {on_cluster} as (value) ->
    replaceRegexpAll(replaceRegexpAll(lowerUTF8(value), '^[^0-9]+', ''), '[^0-9a-z/+-]+', '');

-- Without the country's letters: 'FL-9490', 'D 80331', '1234 ab'.
create or replace function normalizePostcode {on_cluster} as (value) ->
    replaceRegexpAll(replaceRegexpOne(upperUTF8(value), '^\\s*(FL|LI|CH|AT|DE|BE|NL|FR|LU|IT|ES|[ADBFLIE])\\s*[-–. ]\\s*([0-9])', '\\2'), '[^0-9A-Z]+', '');

-- Towns: without what stands in brackets, saints alike, no spaces.
create or replace function normalizeCity {on_cluster} as (value) ->
    replaceAll(replaceRegexpAll(
        concat(' ', normalizeText(replaceRegexpAll(value, '\\(.*?\\)', ' ')), ' '),
        ' (sankt|saint|sainte|sint|santa|santo|san|ste) ', ' st '), ' ', '');

-- Say of each invalid geometry what was wrong with it, and keep those parts of the repaired one that the layer is made of.
update {incoming}
set
    problem = 'repaired: ' || st_isvalidreason(geometry),
    geometry = {repaired}
where not st_isvalid(geometry)

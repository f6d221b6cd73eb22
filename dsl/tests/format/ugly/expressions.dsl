Feature: Expressions
  Scenario: S
    @step(name=A)
      @do set kind = case
          when a > 1 then 'two  blanks'
            when b then "a  name"
          else   'x'
        end, other=1,
        third = coalesce(a,
             b,
           c)
      @do   select   a ,b as c,  d.*
      @do rename a to b ,c to d
      @do split big when a > 1 ,small when a>0
       , rest   otherwise
      @do unnest items  as item
          with ordinality   as n
       keep empty
      @do join cards   as c
         on c.id = a.id
           and c.x is not null
        within   2d
      @do sql """
   select *
     from x
"""
      @do mask a , b   with   sha256

Contract: Order version 1
  | field | type   | rules                  |
  | a     | string | requird                |
  | b     | string | not null               |
  | c     | string | matches ^a$            |
  | d     | int    | between 1              |
  | e     | string | length 5               |
  | f     | string | one of a, a            |
  | g     | string | required required      |
  | h     | string | event                  |

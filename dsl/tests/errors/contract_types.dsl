Contract: Order version 1
  | field | type          |
  | a     | varchar       |
  | b     | strng         |
  | c     | decimal       |
  | d     | timestamp(3)  |
  | e     | list<string   |
  | f     | decimal(40,2) |
  | g     |               |
  | h     | struct<a, b>  |

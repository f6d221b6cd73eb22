Contract: Order version 1
  | field | type          | rules            |
  | a     | int           | one of 1, two    |
  | b     | decimal(4, 2) | default 123.456  |
  | c     | boolean       | = yes            |
  | d     | int           | matches '^a$'    |
  | e     | int           | between 9 and 1  |
  | f     | list<int>     | required, key    |
  | g     | int8          | <= 1000          |

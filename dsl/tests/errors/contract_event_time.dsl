Contract: Order version 1
  | field | type      | rules      |
  | a     | string    | event time |
  | b     | timestamp | event time |
  | c     | timestamp | event time |

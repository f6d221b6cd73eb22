Contract: Order version 1
  | field | type |
  | id    | int  |
  Compatibility: backwards

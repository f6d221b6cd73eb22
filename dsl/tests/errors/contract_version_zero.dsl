Contract: Order version 0
  | field | type |
  | id    | int  |

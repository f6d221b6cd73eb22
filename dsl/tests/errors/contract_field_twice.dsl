Contract: Order version 1
  | field | type |
  | id    | int  |
  | id    | string |

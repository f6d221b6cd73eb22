Contract: Order version 1
  | field | type | rules |
  | id    | int  | key   |

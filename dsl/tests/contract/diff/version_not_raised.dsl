Contract: Card version 3
  | field | type   |
  | id    | string |
  Compatibility: full

Contract: Card version 3
  | field | type   |
  | id    | string |
  | name  | string |
  Compatibility: full

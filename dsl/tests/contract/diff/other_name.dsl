Contract: Card version 1
  | field | type   |
  | id    | string |
  Compatibility: backward

Contract: Cards version 2
  | field | type   |
  | id    | string |
  Compatibility: backward

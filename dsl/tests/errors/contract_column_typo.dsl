Contract: Order version 1
  | field | type | ruls     |
  | id    | int  | required |

Contract: Card version 3
  | field | type   |
  | id    | string |

Contract: Card version 2
  | field | type   |
  | id    | string |

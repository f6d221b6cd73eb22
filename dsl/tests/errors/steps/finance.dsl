Step: ValidateSIN(column, strict = false)
  Nine digits, blanks aside.
  @when ${column} is not null
  @then length(replace(${column}, ' ', '')) = 9 or not ${strict}

-- Made by scripts/analysis_sql.py from control_plane/analysis/expressions.py; do not edit.
WITH `t12` AS (
  SELECT
    *
  FROM `redemptions` AS `t3`
  WHERE
    `t3`.`state` = 'committed'
)
SELECT
  `t19`.`id` AS `decision`,
  `t19`.`time_s`,
  `t19`.`placement`,
  `t19`.`slot`,
  `t19`.`unit`,
  `t19`.`bundle`,
  `t19`.`shown_arm` AS `arm`,
  `t19`.`shown_draw` AS `draw`,
  `t19`.`shown_tickets` AS `tickets`,
  IF(`t19`.`shown_draw` = 2, `t19`.`drawn_by`, `t19`.`id`) AS `drawing`,
  IF(`t15`.`exposure_s` IS NOT NULL, 1, 0) AS `exposures`,
  IF(`t16`.`click_s` IS NOT NULL, 1, 0) AS `clicks`,
  COALESCE(`t22`.`redemptions`, 0) AS `redemptions`,
  COALESCE(`t22`.`cost_micros`, 0) AS `cost_micros`,
  COALESCE(`t30`.`orders`, 0) AS `orders`,
  COALESCE(`t30`.`profit_micros`, 0) AS `profit_micros`
FROM (
  SELECT
    *
  FROM `decisions` AS `t0`
  WHERE
    `t0`.`attested` AND (
      `t0`.`flags` & 4
    ) = 0 AND `t0`.`unit` <> ''
) AS `t19`
CROSS JOIN `settings` AS `t7`
LEFT OUTER JOIN (
  SELECT
    `t2`.`decision` AS `exposure_of`,
    `t2`.`time_s` AS `exposure_s`
  FROM `touches` AS `t2`
  WHERE
    `t2`.`kind` = 'exposure' AND NOT (
      `t2`.`bot`
    )
) AS `t15`
  ON `t19`.`id` = `t15`.`exposure_of`
LEFT OUTER JOIN (
  SELECT
    `t2`.`decision` AS `click_of`,
    `t2`.`time_s` AS `click_s`
  FROM `touches` AS `t2`
  WHERE
    `t2`.`kind` = 'click' AND NOT (
      `t2`.`bot`
    )
) AS `t16`
  ON `t19`.`id` = `t16`.`click_of`
LEFT OUTER JOIN (
  SELECT
    `t17`.`token` AS `used_of`,
    COUNT(*) AS `redemptions`,
    SUM(`t17`.`cost_micros`) AS `cost_micros`
  FROM `t12` AS `t17`
  GROUP BY
    1
) AS `t22`
  ON `t19`.`id` = `t22`.`used_of`
LEFT OUTER JOIN (
  SELECT
    `t28`.`bought_of`,
    COUNT(*) AS `orders`,
    SUM(`t28`.`profit_micros`) AS `profit_micros`
  FROM (
    SELECT
      `t19`.`id` AS `bought_of`,
      `t27`.`profit_micros`
    FROM (
      SELECT
        *
      FROM `decisions` AS `t0`
      WHERE
        `t0`.`attested` AND (
          `t0`.`flags` & 4
        ) = 0 AND `t0`.`unit` <> ''
    ) AS `t19`
    CROSS JOIN `settings` AS `t7`
    INNER JOIN (
      SELECT
        `t8`.`unit`,
        `t8`.`order_id`,
        `t8`.`time_s`,
        `t25`.`earned_micros` - COALESCE(`t18`.`back_micros`, 0) AS `profit_micros`
      FROM `order_units` AS `t8`
      INNER JOIN (
        SELECT
          `t9`.`order_id`,
          `t9`.`time_s`,
          `t9`.`revenue_micros`,
          `t9`.`margin_micros` - COALESCE(`t23`.`cost_micros`, `t9`.`discount_micros`) AS `earned_micros`
        FROM `orders` AS `t9`
        LEFT OUTER JOIN (
          SELECT
            `t17`.`order_id`,
            SUM(`t17`.`cost_micros`) AS `cost_micros`
          FROM `t12` AS `t17`
          GROUP BY
            1
        ) AS `t23`
          ON `t9`.`order_id` = `t23`.`order_id`
      ) AS `t25`
        ON `t8`.`order_id` = `t25`.`order_id`
      LEFT OUTER JOIN (
        SELECT
          `t5`.`order_id`,
          SUM(`t5`.`margin_micros`) AS `back_micros`
        FROM `returns` AS `t5`
        GROUP BY
          1
      ) AS `t18`
        ON `t8`.`order_id` = `t18`.`order_id`
    ) AS `t27`
      ON `t19`.`unit` = `t27`.`unit`
      AND `t27`.`time_s` >= `t19`.`time_s`
      AND `t27`.`time_s` < (
        `t19`.`time_s` + `t7`.`attribution_s`
      )
  ) AS `t28`
  GROUP BY
    1
) AS `t30`
  ON `t19`.`id` = `t30`.`bought_of`
